"""Random attacks on sweeps, of which none may lose, repeat, falsify or hang anything."""
