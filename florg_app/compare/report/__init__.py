"""What a comparison found: results read back, tables, figures, pages."""
