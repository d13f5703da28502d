"""How the starter model (`generator.starter`) is made: from scenes that the studio draws, on a CPU or a GPU.

words → scenes → autoencoder → denoiser → pipeline folder. Needs the [gpu] extra. Nothing that serves imports this.
"""
