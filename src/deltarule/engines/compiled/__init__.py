"""The engine that prints programs of updates in LLVM's language, and runs them on blocks of members, or on single ones.

Begin at `printer.py`; `plan.py` says in which loops a program runs. `engine.py` calls what `machine_code.py` compiles.
Lanes are members; where there are few, `unit_printer.py` prints the same sums with lanes that are units of one network.

What measurements and mistakes have taught:

- Loops, not code written out: a text does not grow with the network, and compiles in 0.1 to 0.5 seconds.
- An array of rows is computed in the last loop that serves all its readers. In the first one that could, all arrays
  would be kept for all rows, because every loss divides by a sum of weights.
- One number a row (a row's share of the batch) goes first in its loop: else it tears a group apart, which takes a third
  longer.
- Members as lanes, from 64 units on: tiles of 8 rows × 3 units take 0.8 to 0.95 of the time of 4 × 4; else 4 × 4 or
  5 × 4 is best. One tile for all batches takes up to 1.25 of the time: 4 × 4 leaves two rows of 10 alone.
- On processors with 16 registers of 32 bytes (AVX2) vectors are as long as these, and tiles of 6 or 4 rows × 2 units:
  with the 24 sums of 8 × 3, or twice as long vectors, most sums go through memory, and one network 784-100-10 takes two
  to three times as long, small ones nearly twice. ARM's 32 registers of 16 bytes were not measured.
- The gradient of weights holds its tile of ∂J/∂z in registers and goes through the inputs line by line. Tiles of 2 to 6
  lines, whose sums are all loaded before one is stored, take as long or longer.
- Several tiles of rows that follow one another before the next units do take as long; so do pages of 2 MB. 64-128-10
  makes 1.3 of the 2 products that a processor with AVX-512 can make in a cycle.
- An exponential in float64 has ten interpolated terms instead of the Taylor series' thirteen: as exact, and networks of
  sigmoids take up to a tenth less.
- One network: columns that all rows are multiplied with are packed side by side (0.85 of the time for layers of 512),
  and lines of a gradient's product row by row (0.93 to 0.96); vectors of the state lie at multiples of their size
  (0.9). The optimizer's step behind each gradient, in registers, brought nothing: its square roots and quotients take
  as long, and its text is long.
- A sum of many numbers is sixteen sums side by side: one alone waits four cycles for each addition.
"""
