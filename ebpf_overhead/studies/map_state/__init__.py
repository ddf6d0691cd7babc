"""What a map operation costs, by the map's fill and sizes (docs/map-state.md)."""
