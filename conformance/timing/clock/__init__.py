"""How a cell is timed: workers, the gate, blocks and rounds, and what disturbed them."""
