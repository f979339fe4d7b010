"""The commands of `whatlead`, by what they are for. What takes long to import is imported where it is used."""
