"""What the API's endpoints have in common: errors, input, pages of results, documentation."""
