CREATE TABLE orders (
  id int NOT NULL,
  name varchar(20
);
CREATE TABLE customers (id);
CREATE TABLE sellers (12 int);
CREATE TABLE (id int);
