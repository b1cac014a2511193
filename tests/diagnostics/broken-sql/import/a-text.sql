CREATE TABLE orders (
  id int NOT NULL DEFAULT 'x,
  name text
);
CREATE TABLE customers (id int PRIMARY KEY);
