"""The judge, measured: healthy and harmful worlds, ours beside the judges that people use today."""
