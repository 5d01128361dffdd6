"""Read tables, infer column types, and encode columns as features.

Entry points: `reader.read_frame` (files), `frame.frame_of` (data frames), `column_types.infer_column_types`,
`column_encoder.fit_columns` and `encode_columns`, `diagnostics`. Nothing here depends on data sets or estimators:
the package may import `problem` and what is below it.
"""
