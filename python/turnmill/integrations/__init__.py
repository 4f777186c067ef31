"""turnmill in other frameworks. Nothing here imports a framework before it is used."""
