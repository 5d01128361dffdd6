"""Export trained networks to other forms, and import networks of other libraries.

`model_scripts` and `training_script` write NumPy scripts from `templates`; `onnx_graph` and `torch_modules` write ONNX
and PyTorch; `from_libraries` reads models of scikit-learn and PyTorch. May import `estimators` and everything below it;
ONNX and PyTorch are imported inside functions.
"""
