"""How the numbers of a tensor travel: as they are, or in fewer bits."""
