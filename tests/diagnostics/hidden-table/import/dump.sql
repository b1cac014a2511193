CREATE TABLE paths (path text DEFAULT 'C:\', note text);
INSERT INTO notes VALUES ('a script:
  CREATE TABLE orders (id int);');
