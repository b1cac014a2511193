CREATE TABLE recent AS SELECT * FROM orders;
CREATE TABLE copied (LIKE orders INCLUDING ALL);
CREATE TABLE archived (note text) INHERITS (orders);
CREATE TABLE selected (SELECT * FROM orders);
CREATE TABLE keyed (PRIMARY KEY (id));
