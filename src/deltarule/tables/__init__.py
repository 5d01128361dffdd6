"""Tables of numbers and text: read them, infer column types, encode columns as features, report problems.

Entry points: `reader.read_frame` (files), `frame.frame_of` (data frames), `column_kinds.infer_kinds`,
`column_encoder.fit_columns` and `encode_columns`, `diagnostics`. Nothing here depends on data sets or estimators:
the package may import `problem` and what is below it.
"""
