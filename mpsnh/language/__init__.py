"""What a physicist writes: sites, operator sums, gates and circuits."""
