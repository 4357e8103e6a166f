"""The contract's `export_cache`, under the name by which adapters here import it.

Their own text is in the keys of what they keep: to change that line in each of them would export
and compile everything once more, which takes hours. Change it with the next change of an adapter.
"""

from embcheck.conformance.contract.export_cache import Refusal, key_of, made_once

__all__ = ["Refusal", "key_of", "made_once"]
