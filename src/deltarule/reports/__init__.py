"""Reports: figures, tables and pages, drawn from records by functions that compute nothing."""
