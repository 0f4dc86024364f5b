"""Photos and the regions to attack: nothing here knows of networks."""
