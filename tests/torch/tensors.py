"""safetensors files and the translation of PyTorch's names and layouts to those of tests/bench/nets."""
import json
import re

import numpy as np


def read(path):
    """name -> array of a safetensors file that holds f32 and i32 alone"""
    with open(path, 'rb') as f:
        head = json.loads(f.read(int.from_bytes(f.read(8), 'little')))
        data = f.read()
    kinds = {'F32': np.float32, 'I32': np.int32}
    return {name: np.frombuffer(data[t['data_offsets'][0]:t['data_offsets'][1]], kinds[t['dtype']])
            .reshape(t['shape']) for name, t in head.items() if name != '__metadata__'}


def write(path, tensors):
    """f32 tensors, in the order of the dict"""
    head, at = {}, 0
    for name, t in tensors.items():
        head[name] = dict(dtype='F32', shape=list(t.shape), data_offsets=[at, at + 4 * t.size])
        at += 4 * t.size
    text = json.dumps(head).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(len(text).to_bytes(8, 'little') + text)
        for t in tensors.values():
            f.write(np.ascontiguousarray(t, np.float32).tobytes())


def numbered(name, i):
    """the i-th layer (from 0) of a binding's name: block, block_2, ..."""
    return name if i == 0 else '%s_%d' % (name, i + 1)


def rename(name, table):
    for pattern, by in table:
        m = re.fullmatch(pattern, name)
        if m:
            return by(m) if callable(by) else m.expand(by)
    raise ValueError('no rule for the tensor ' + name)


def resnet(name):
    return rename(name, [
        (r'(conv1|bn1)\.(.*)', r'\1.\2'),
        (r'layers\.(\d+)\.down\.([01])\.(.*)', lambda m: 'layers.%s.%s.%s' % (
            numbered('block', int(m[1])), ('down', 'skip')[int(m[2])], m[3])),
        (r'layers\.(\d+)\.(.*)', lambda m: 'layers.%s.%s' % (numbered('block', int(m[1])), m[2])),
        (r'fc\.(.*)', r'layers.fc.\1')])


def mobilenet(name):
    def block(m):
        i, k = int(m[1]) - 3, int(m[2])
        parts = ['deep', 'mixed', None, 'narrow', 'out'] if i == 0 else \
            ['wide', 'y', None, 'deep', 'mixed', None, 'narrow', 'out']
        return '%s.%s.%s' % (numbered('block', i), parts[k], m[3])
    return rename(name, [
        (r'features\.0\.(.*)', r'first.\1'), (r'features\.1\.(.*)', r'y.\1'),
        (r'features\.(\d+)\.conv\.(\d)\.(.*)', block),
        (r'features\.20\.(.*)', r'last.\1'), (r'features\.21\.(.*)', r'top.\1'),
        (r'fc\.(.*)', r'fc.\1')])


def encoder(name):
    parts = dict(q='attend.query', k='attend.key', v='attend.value', o='attend.out', ln1='norm1',
                 f1='forward.up', f2='forward.down', ln2='norm2')
    return rename(name, [(r'blocks\.(\d+)\.(\w+)\.(\w+)',
                          lambda m: '%s.%s.%s' % (numbered('block', int(m[1])), parts[m[2]], m[3]))])


def gpt2(name):
    parts = dict(ln1='norm1', qkv='qkv', proj='proj', ln2='norm2', fc='forward.up', out='forward.down')
    return rename(name, [
        (r'wte\.weight', 'table'), (r'wpe\.weight', 'x.weight'), (r'lnf\.(.*)', r'last.\1'),
        (r'blocks\.(\d+)\.(\w+)\.(\w+)',
         lambda m: '%s.%s.%s' % (numbered('block', int(m[1])), parts[m[2]], m[3]))])


NAMES = dict(resnet18=resnet, resnet18cifar=resnet, mobilenetv2=mobilenet, encoder=encoder, gpt2=gpt2)
OF_NORM = [(r'(.*)\.weight', r'\1.scale'), (r'(.*)\.bias', r'\1.shift'), (r'(.*running.*)', r'\1')]


def translate(net, tensors):
    """PyTorch's tensors (parameters, or their gradients) under our names, in our layouts. A name's
    last part is scale or shift where the layer is a normalisation, which its shape of one axis tells."""
    norms = {n.rsplit('.', 1)[0] for n, t in tensors.items() if n.endswith('.weight') and t.ndim == 1}
    out = {}
    for name, t in tensors.items():
        if name.endswith('num_batches_tracked'):
            continue
        ours = NAMES.get(net, str)(name)
        if name.rsplit('.', 1)[0] in norms:
            ours = rename(ours, OF_NORM)
        if t.ndim == 4:  # [out, in, h, w] -> [h, w, in, out]; one channel a group: [h, w, channel, 1]
            deep = net == 'mobilenetv2' and t.shape[1] == 1
            t = t.transpose((2, 3, 0, 1) if deep else (2, 3, 1, 0))
        if net == 'cnn' and name == 'fc1.weight':  # flattened channels first there, last here
            t = t.reshape(64, 64, 3, 3).transpose(0, 2, 3, 1).reshape(64, 576)
        out[net + '.' + ours] = t
    return out


def images(x):
    """channels first -> last"""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x
