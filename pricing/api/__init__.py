"""The API's view of prices and of usage with what became of it."""
