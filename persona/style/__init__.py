"""Style: a reference picture's colours and textures moved onto a garment or a portrait, whose content stays."""
