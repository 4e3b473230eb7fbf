"""`florg report`: what one run, or several side by side, has to show: results read back, tables, figures, pages."""
