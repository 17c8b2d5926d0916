"""Random attacks on sweeps and stores, of which none may lose, repeat, falsify or hang anything."""
