"""What the toolkit itself costs, apart from models, decoders and rewards, and what its schedule of calls saves."""
