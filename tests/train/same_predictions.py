#!/usr/bin/env python3
"""Loads a shared object made of emitted C, fills its weights struct from a safetensors file as the
header lays it out, predicts sample by sample, and compares with a file of logits.

same_predictions.py LIB.so HEADER NAME WEIGHTS X.npy Y.npy
"""
import ctypes, json, re, sys
import numpy

lib, header, name, weights, x_path, y_path = sys.argv[1:7]
text = open(header).read()
dll = ctypes.CDLL(lib)

raw = open(weights, "rb").read()
length = int.from_bytes(raw[:8], "little")
index = json.loads(raw[8:8 + length])
tensors = {k.replace(".", "_"): raw[8 + length + v["data_offsets"][0]:8 + length + v["data_offsets"][1]]
           for k, v in index.items() if k != "__metadata__"}

# members of the struct in order, 64-byte aligned as the header says
body = re.search(r"struct %s_weights \{(.*?)\n\}" % name, text, re.S).group(1)
members = re.findall(r"(float|int32_t|uint8_t|_Bool|bool) (\w+)\[(\d+)\];(.*)", body)
prepare = re.search(r"void (%s_prepare)\(" % name, text) # fills the members from "Not yours to fill" on
shapes = {k.replace(".", "_"): v["shape"] for k, v in index.items() if k != "__metadata__"}


def stored(data, shape, comment):
    """row major data as the member's comment says: "stored [4,784,32]: element (i,j) is [i/32][j][i%32]" """
    said = re.search(r"stored \[([\d,]+)\]: element \((.*?)\) is (\S+)", comment)
    if not said:
        return data
    values = numpy.frombuffer(data, numpy.float32).reshape(shape)
    at = dict(zip(said.group(2).split(","), numpy.indices(shape)))
    place = []
    for part in re.findall(r"\[([^\]]+)\]", said.group(3)):
        name, how, n = re.fullmatch(r"(\w+)(?:([/%])(\d+))?", part).groups()
        place.append(at[name] if not how else at[name] // int(n) if how == "/" else at[name] % int(n))
    out = numpy.zeros([int(d) for d in said.group(1).split(",")], numpy.float32)
    out[tuple(place)] = values
    return out.tobytes()


sizes = {"float": 4, "int32_t": 4}
block, offset = bytearray(), 0
for ctype, member, count, comment in members:
    offset = (len(block) + 63) // 64 * 64
    block += b"\0" * (offset - len(block))
    here = prepare and member not in tensors # prepared
    data = b"\0" * (int(count) * sizes.get(ctype, 1)) if here else stored(tensors[member], shapes[member], comment)
    assert len(data) == int(count) * sizes.get(ctype, 1), (member, len(data), count)
    block += data

def aligned(n):
    buffer = ctypes.create_string_buffer(n + 64)
    return buffer, (ctypes.addressof(buffer) + 63) // 64 * 64

keep_w, w = aligned(len(block) + 64)
ctypes.memmove(w, bytes(block), len(block))
if prepare:
    room = re.search(r"%s_ARENA (\d+)" % prepare.group(1).upper(), text)
    keep_p, working = aligned(int(room.group(1)) + 64 if room else 64)
    getattr(dll, prepare.group(1))(ctypes.c_void_p(w), ctypes.c_void_p(working))
x, y = numpy.load(x_path), numpy.load(y_path)
entry = re.search(r"void (%s_\w*?b1)\(" % name, text).group(1)
arena_bytes = int(re.search(r"%s_ARENA (\d+)" % entry.upper(), text).group(1))
keep_a, arena = aligned(arena_bytes + 64)
keep_o, out = aligned(y.shape[1] * 4)
keep_i, inp = aligned(x[0].size * 4)
same, worst = 0, 0.0
for i in range(len(x)):
    ctypes.memmove(inp, numpy.ascontiguousarray(x[i]).tobytes(), x[i].size * 4)
    getattr(dll, entry)(ctypes.c_void_p(w), ctypes.c_void_p(inp), ctypes.c_void_p(out), ctypes.c_void_p(arena))
    got = numpy.frombuffer(ctypes.string_at(out, y.shape[1] * 4), numpy.float32)
    same += int(got.argmax() == y[i].argmax())
    worst = max(worst, float(abs(got - y[i]).max()))
print(f"{same} of {len(x)} classes agree, largest difference of a logit {worst:.2g}")
sys.exit(same != len(x))
