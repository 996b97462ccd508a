"""Turn a trained model into verified firmware."""
