"""
The demo: a real app, real traffic and the receipt that joins what both of them saw.

`app` is released, `traffic` uses it like people do, `receipt` says who lost what.
Each runs on the standard library alone, so that a process of it starts in a blink.
"""
