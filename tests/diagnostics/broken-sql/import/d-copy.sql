COPY public.orders (id) FROM stdin;
1
CREATE TABLE public.customers (id int);
