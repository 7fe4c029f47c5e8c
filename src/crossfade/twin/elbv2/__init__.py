"""
ELBv2 as AWS answers it, over moto's store: what moto leaves unchecked is checked, what it invents is
asked of the balancer that really serves.

`response.py` is the API, `checks*.py` and `attributes.py` its rules, `pictures.py` copies of the state,
`translate.py` the state as the balancer's `Balancing`. APPLICATION LOAD BALANCERS WITH IP TARGETS ONLY.
"""
