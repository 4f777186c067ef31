"""What the demo data is made of: the conversations, the tokenizer and its chat template."""
