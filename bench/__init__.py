"""The performance table: Seconder's webhook beside a plain Go handler that takes the same decision.

Every number comes from one run on one machine, in interleaved rounds; goals are ratios, since absolute times say more
about the machine than about the code.
"""
