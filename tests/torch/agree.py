#!/usr/bin/python3
"""One case's outputs, loss, gradients and first step of Adam against PyTorch's.

    agree.py NNC NETS DUMP CASE WORK [smooth]

NNC is the command, NETS the folder of the .nn files, DUMP/CASE holds PyTorch's arrays (dump.py).
Prints TAP lines, "not ok" for what differs, and exits with 0 when it got so far. A difference is
measured by norms: |ours - theirs| / |theirs|. smooth: gelu in the place of relu, as in dump.py.
"""
import glob
import json
import os
import re
import subprocess
import sys

import numpy as np

import tensors

LIMIT = 1e-4
# Of a deep network with batch norm and relu: each of its 18 million relus that stands within rounding
# of zero may fall to either side, and changes every gradient before it. PyTorch's gradients in float
# and in double differ by 2e-3 there. The smooth case holds the same network to LIMIT.
KINKS = 3e-2
nnc, nets, dump, case, work = sys.argv[1:6]
smooth = 'smooth' in sys.argv[6:]
net, mode, _ = case.rsplit('_', 2)
root = os.path.join(dump, case)
meta = json.load(open(root + '/meta.json'))

def load(folder):
    files = sorted(glob.glob(os.path.join(glob.escape(root), folder, '*.npy')))
    return tensors.translate(net, {os.path.basename(f)[:-4]: np.load(f) for f in files})


def run(*command):
    p = subprocess.run(command, capture_output=True, text=True)
    if p.returncode:
        print('not ok - %s: %s\n# %s' % (case, ' '.join(command[:2]), p.stderr.strip().replace('\n', '\n# ')))
        sys.exit(0)
    return p.stdout


def verdict(what, error, note='', limit=LIMIT):
    good = error <= limit
    print('%s - %s%s: %s differs by %.1e (limit %.0e)%s' % (
        'ok' if good else 'not ok', case, ' with gelu for relu' * smooth, what, error, limit, note), flush=True)


def norm(x):
    return float(np.linalg.norm(np.asarray(x, np.float64)))


def net_folder():
    """where the .nn files are; with gelu for relu: copies"""
    if not smooth:
        return os.path.abspath(nets)
    for f in glob.glob(glob.escape(nets) + '/*.nn'):
        text = re.sub(r'\brelu\b', 'gelu', open(f).read())
        with open(os.path.join(work, os.path.basename(f)), 'w') as out:
            out.write(text)
    return work


def infer(weights):
    np.save(work + '/x.npy', tensors.images(np.load(root + '/input.npy')).astype(
        np.int32 if net == 'gpt2' else np.float32))
    run(nnc, 'predict', '%s/%s.nn' % (nets, net), '--batch', str(meta['batch']), '--weights', weights,
        '--input', work + '/x.npy', '--output', work + '/y.npy')
    ours, theirs = np.load(work + '/y.npy'), np.load(root + '/output.npy')
    verdict('the output', norm(ours - theirs) / norm(theirs))


def learn(text, weights, name):
    """one step of the train block in text -> its loss, the weights behind it"""
    with open('%s/%s.nn' % (work, name), 'w') as f:
        f.write(text)
    options = ['-D', 'TOKENS=%d' % meta['input'][1]] if net == 'gpt2' else []
    out = run(nnc, 'train', '%s/%s.nn' % (work, name), '--data', work, '--init', weights, '--epochs', '1',
              '--no-checkpoint', '--json', '-o', '%s/%s.safetensors' % (work, name), *options)
    first = json.loads(out.splitlines()[0])
    return first['loss'], tensors.read('%s/%s.safetensors' % (work, name))


def worst(ours, theirs, floor):
    """the largest relative difference of a tensor; norms below the floor count as the floor"""
    return max((norm(ours[n] - t) / max(norm(t), floor), n) for n, t in theirs.items())


def train(weights):
    np.save(work + '/input.npy', tensors.images(np.load(root + '/input.npy')).astype(
        np.int32 if net == 'gpt2' else np.float32))
    target = np.load(root + '/target.npy')
    np.save(work + '/target.npy', target.astype(np.int32) if target.dtype == np.int64 else target)
    kinks = KINKS if net == 'resnet18cifar' and not smooth else LIMIT
    text = open('%s/%s_train.nn' % (nets, net)).read()
    text = text.replace('import "', 'import "%s/' % net_folder())
    adam = 'with adam(lr = 1e-3)'
    assert text.count(adam) == 1
    # The weights behind this step are the gradients.
    keep = text.replace(adam, 'with keep_gradient()') + '\noptimizer keep_gradient() {\n    value <- grad\n}\n'
    loss, grads = learn(keep, weights, 'gradient')
    verdict('the loss', abs(loss - meta['loss']) / abs(meta['loss']))
    theirs = load('grads')
    whole = np.sqrt(sum(norm(t) ** 2 for t in theirs.values()))
    # Some gradients are zero but for rounding (a bias before a softmax or a batch norm).
    error, name = worst(grads, theirs, 1e-5 * whole)
    verdict('the gradient', error, ', most in ' + name, kinks)
    if not os.listdir(root + '/after'):  # the dump leaves it out for large networks
        return
    after, before = load('after'), load('weights')
    _, ours = learn(text, weights, 'adam')
    # The first step is lr * g / (|g| + eps): where g is all rounding error, so is the step.
    scale = max(float(np.abs(t).max()) for t in theirs.values())
    here = there = 0.0
    for n, g in theirs.items():
        sure = np.abs(g) > 1e-4 * scale
        here += norm((ours[n] - after[n])[sure]) ** 2
        there += norm((after[n] - before[n])[sure]) ** 2
    verdict('the step of Adam', np.sqrt(here / there), limit=LIMIT if kinks == LIMIT else 0.1)
    states = {n: t for n, t in after.items() if n not in theirs}
    if states:
        error, name = worst(ours, states, 1e-12)
        verdict('the running statistics', error, ', most in ' + name)


weights = work + '/weights.safetensors'
tensors.write(weights, load('weights'))
train(weights) if mode == 'train' else infer(weights)
