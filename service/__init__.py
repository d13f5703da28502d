"""What every process needs: logging, the metrics server, health. Imports settings and contracts."""
