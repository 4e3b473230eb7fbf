"""`florg compare`: a matrix of methods, variants and seeds; cells that are run once; the report on them."""
