"""What the search itself costs, apart from the model, its decoder and the reward, and what batching
candidates saves.
"""
