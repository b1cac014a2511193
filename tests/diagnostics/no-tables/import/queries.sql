SELECT * FROM orders;
CREATE TEMPORARY TABLE scratch (id int);
