"""The API's view of charges and of the receipts that ask for them."""
