"""The pages of a site, as templates."""
