CREATE TABLE orders (id int);
/* the rest is for later
CREATE TABLE customers (id int);
