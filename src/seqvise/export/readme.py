"""What the exported folder tells of itself."""

README = """\
A translation model, for programs that have neither seqvise nor its Python classes.

manifest.json   the inputs and outputs of each file, in order, with their types and shapes; ids of the special words
encoder.*       reads source sentences, once
step.*          says the next word of each hypothesis
source.*        vocabulary and tokenizer of the source side; target.* of the target side

A number in a shape is fixed; a name stands for any number: `batch` sentences, `source` words of the longest of them,
`rows` hypotheses, `said` words said before. ONNX files (`*.onnx`) take and give tensors by name. A package of
`torch.export` (`*.pt2`) takes keywords and gives a tuple in the order of the manifest:

    encoder = torch.export.load("encoder.pt2").module()
    outputs = encoder(ids=ids, lengths=lengths)

A vocabulary is a table of tabs with a line a word, after a head line. A word's id is the number of its line, from 0.
codec.json names the tokenizer and how it treats case; seqvise.corpus.codec.TextCodec.load(folder, side) reads both
files. Where `backwards` is true, that side's words stand from the last to the first.

Greedy decoding:

1. Make ids of each source, `<eos>` last. Fill shorter ones with `<pad>` at their end; `lengths` counts `<eos>`, not
   `<pad>`.
2. Run the encoder. Its outputs are the `memory_*` and the first `state_*`.
3. The first `tokens` are `<bos>`. Run the step with them, the state and the memory, as far
   as it takes them. The next word of a row has the
   largest of `logits`, `<bos>` and `<pad>` left out. `attention`, where given, says where the row looked.
4. `next_state_*` are the `state_*` of the next step, whose `tokens` are the words just said. A row ends with `<eos>`.

Beam search: the rows of one sentence stand side by side, and all sentences have equally many. Choosing hypotheses is
taking rows of every `state_*` along its first axis; leaving a sentence out is doing so with `memory_*`, too.
"""
