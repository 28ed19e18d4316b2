#!/usr/bin/python3
"""`make bench`: networks, kernels and examples on this machine, beside its limits and beside the peers.

    run.py BUILD [--case GLOB]... [--threads 1,2] [--rounds 2] [--list] [--prepare] [--report FILE]

BUILD holds nnc; what is measured is kept in BUILD/bench/results.json, so that a run can be made in pieces:
each --case replaces its own figures. --report writes the Markdown table of all that was measured (alone:
nothing is measured). PEERS names the folder of the peers' scripts (models.py, run.py; installed by its
setup.sh); without it ours is measured alone.

Cases: NET_infer_bN, NET_train_bN, kernels, odd, fusion_EXAMPLE, epoch, cold.
Each figure is the median over rounds of the median of a process of its own (three calls and 0.3 s before,
then 20 calls and 0.8 s at least); engines take turns within a round.
"""
import argparse
import fnmatch
import json
import os
import statistics
import struct
import subprocess
import sys
import time

import report

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
INFER = [(n, b) for n in ('mlp', 'cnn', 'encoder', 'resnet18', 'mobilenetv2') for b in (1, 32)] + [('gpt2', 1)]
TRAIN = [('mlp', 32), ('cnn', 32), ('autoencoder', 64), ('resnet18cifar', 32), ('encoder', 8), ('gpt2', 1)]
EXAMPLES = ['linear_regression', 'table_mlp', 'mnist_mlp', 'mnist_cnn', 'own_parts', 'gan']
PEER_ENGINES = ('torch_tuned', 'torch_jit', 'ort_c')


def cases():
    return (['%s_infer_b%d' % c for c in INFER] + ['%s_train_b%d' % c for c in TRAIN] +
            ['kernels', 'odd'] + ['fusion_' + e for e in EXAMPLES] + ['epoch', 'cold'])


def run(command, env=None):
    p = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, **(env or {})), cwd=ROOT)
    if p.returncode:
        raise RuntimeError('%s: status %d: %s' % (' '.join(map(str, command[:4])), p.returncode, p.stderr.strip()[-300:]))
    return p.stdout


def lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith('{')]


class Bench:
    def __init__(self, build, peers, chosen):
        self.chosen = chosen
        self.build = os.path.abspath(build)
        self.nnc = self.build + '/nnc'
        self.folder = self.build + '/bench'
        os.makedirs(self.folder, exist_ok=True)
        self.peers = None
        if peers:
            sys.dont_write_bytecode = True
            sys.path.insert(0, peers)
            import importlib.util
            spec = importlib.util.spec_from_file_location('peers_run', peers + '/run.py')
            self.peers = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(self.peers)

    # ---- what is made ahead ----

    def executable(self, net, mode, batch):
        """net_mode, made anew when nnc or the network is newer"""
        exe = '%s/%s_%s' % (self.folder, net, mode)
        source = '%s/nets/%s%s.nn' % (HERE, net, '_train' if mode == 'train' else '')
        newest = max(os.path.getmtime(f) for f in [self.nnc] + [HERE + '/nets/' + f for f in os.listdir(HERE + '/nets')])
        if not os.path.exists(exe) or os.path.getmtime(exe) < newest:
            options = ['-D', 'TOKENS=64'] if (net, mode) == ('gpt2', 'train') else []
            run([self.nnc, 'build', source, '-o', exe, '--batch', str(batch)] + options)
        return exe

    def prepare(self, case):
        if '_infer_b' in case or '_train_b' in case:
            net, mode, _ = case.rsplit('_', 2)
            self.executable(net, mode, max(b for n, b in (TRAIN if mode == 'train' else INFER) if n == net))

    def macs(self, net, batch):
        options = ['-D', 'TOKENS=64'] if net == 'gpt2' and batch < 0 else []
        rows = lines(run([self.nnc, 'show', '%s/nets/%s.nn' % (HERE, net), '--batch', '1', '--json'] + options))
        total = next(r for r in rows if r.get('total'))
        return total['macs'] * abs(batch), total['parameters']

    def machine(self, threads):
        """peak and bandwidth, measured now"""
        rows = lines(run([self.nnc, 'bench', '--machine', '--json', '--threads', str(threads), '--seconds', '0.5']))
        return rows[0]['machine']

    # ---- networks ----

    def engines(self, case, threads):
        out = {}
        if self.peers:
            for name, (command, env) in self.peers.engines(case).items():
                if name in self.chosen:
                    out[name] = (command(threads), env)
        out['nnc'] = ([HERE + '/case.sh', case, str(threads)], {'BENCH_BUILD': self.folder})
        return out

    def network(self, case, threads, rounds):
        net, mode, batch = case.rsplit('_', 2)
        batch = int(batch[1:])
        self.prepare(case)
        env = dict(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
        found = {}
        machine = self.machine(threads)
        for _ in range(rounds):
            for name, (command, extra) in self.engines(case, threads).items():
                try:
                    d = lines(run(command, dict(env, **extra)))[-1]
                    found.setdefault(name, []).append(d)
                except (RuntimeError, IndexError, ValueError) as e:
                    print('  %s, %s: %s' % (case, name, e), file=sys.stderr)
        row = {k: dict(ms=statistics.median(d['ms'] for d in v), min_ms=min(d['min_ms'] for d in v)) for k, v in found.items()}
        macs, parameters = self.macs(net, -batch if mode == 'train' else batch)
        return dict(engines=row, macs=macs, parameters=parameters, machine=machine)

    # ---- others ----

    def kernels(self, threads):
        program = self.build + '/tests/bench/kernels'
        if not os.path.exists(program):
            raise RuntimeError('%s is not built' % program)
        return dict(text=run([program, '-t', str(threads)]))

    def odd(self, threads):
        rows = lines(run([self.nnc, 'bench', HERE + '/nets/odd.nn', '--threads', str(threads), '--seconds', '0.5', '--json']))
        return dict(rows=[r for r in rows if 'entry' in r])

    def fusion(self, example, threads):
        rows = lines(run([self.nnc, 'bench', 'examples/%s.nn' % example, '--compare', 'fusion', '--threads', str(threads),
                          '--seconds', '0.5', '--json']))
        return dict(rows=[r for r in rows if 'entry' in r and r['batch'] != 1])

    def epoch(self, threads):
        data = os.environ.get('NNC_DATA', '') + '/mnist'
        if not os.path.isdir(data):
            raise RuntimeError('NNC_DATA does not name a folder with mnist/')
        out = self.folder + '/epoch.safetensors'
        rows = lines(run([self.nnc, 'train', 'examples/mnist_cnn.nn', '--data', data, '--epochs', '2', '--json',
                          '--threads', str(threads), '--no-checkpoint', '-o', out]))
        shown = lines(run([self.nnc, 'show', 'examples/mnist_cnn.nn', '--batch', '1', '--json']))
        macs = next(r['macs'] for r in shown if r.get('total') and r['net'] == 'cnn')
        return dict(seconds=min(r['seconds'] for r in rows if 'epoch' in r and not r.get('final')), samples=60000, macs=macs,
                    machine=self.machine(threads))

    def cold(self):
        exe = self.executable('mlp', 'infer', 32)
        files = (self.folder + '/mlp.safetensors', self.folder + '/mlp_input.npy')
        head, data, at = {}, b'', 0
        for name, shape in (('fc1.weight', [128, 784]), ('fc1.bias', [128]), ('fc2.weight', [10, 128]), ('fc2.bias', [10])):
            n = shape[0] * (shape[1] if len(shape) > 1 else 1)
            head['mlp.' + name] = dict(dtype='F32', shape=shape, data_offsets=[at, at + 4 * n])
            data += struct.pack('<%df' % n, *[((i * 7919) % 1000 - 500) / 5000 for i in range(n)])
            at += 4 * n
        text = json.dumps(head).encode()
        with open(files[0], 'wb') as f:
            f.write(struct.pack('<Q', len(text)) + text + data)
        text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 784), }"
        text += b' ' * (117 - len(text)) + b'\n'
        with open(files[1], 'wb') as f:
            f.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text + struct.pack('<784f', *[i % 7 / 7 for i in range(784)]))
        program = self.folder + '/cold'
        run([os.environ.get('CC', 'cc'), '-O2', '-std=gnu11', HERE + '/cold.c', '-o', program])
        commands = dict(nnc=[exe, 'predict', '--weights', files[0], '--input', files[1], '--threads', '1'])
        if self.peers:
            onnx = self.peers.ONNX + '/mlp_infer_b1'
            commands['ort_c'] = [self.peers.BIN + '/ort_bench', self.peers.ORT_LIB, onnx + '.onnx', onnx + '.input.npy', '-', '1', 'cold']
        return dict(engines={k: lines(run([program, '20'] + c, {'OMP_NUM_THREADS': '1'}))[-1] for k, c in commands.items()})


def measure(bench, case, threads, rounds):
    if case == 'cold':
        return bench.cold()
    if case.startswith('fusion_'):
        return bench.fusion(case[7:], threads)
    if case in ('kernels', 'odd', 'epoch'):
        return getattr(bench, case)(threads)
    return bench.network(case, threads, rounds)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('build')
    ap.add_argument('--case', action='append')
    ap.add_argument('--threads', default='1,2')
    ap.add_argument('--rounds', type=int, default=2)
    ap.add_argument('--engines', default=','.join(PEER_ENGINES), help='peers to run')
    ap.add_argument('--list', action='store_true')
    ap.add_argument('--prepare', action='store_true', help='only build what would be measured')
    ap.add_argument('--report', metavar='FILE')
    a = ap.parse_args()
    if a.list:
        return print('\n'.join(cases()))
    pick = [c for c in cases() if any(fnmatch.fnmatch(c, p) for p in a.case or ([] if a.report else ['*']))]
    if a.case and not pick:
        sys.exit('no case matches; --list shows them')
    bench = Bench(a.build, os.environ.get('PEERS'), a.engines.split(','))
    path = bench.folder + '/results.json'
    results = json.load(open(path)) if os.path.exists(path) else {}
    for case in pick if a.prepare else []:
        bench.prepare(case)
    for case in [] if a.prepare else pick:
        for n in [1] if case == 'cold' else [int(t) for t in a.threads.split(',')]:
            try:
                d = measure(bench, case, n, a.rounds)
            except RuntimeError as e:
                print('%s: %s' % (case, e), file=sys.stderr)
                continue
            d['when'] = time.strftime('%Y-%m-%d %H:%M')
            results.setdefault(case, {})[str(n)] = d
            print(report.row(case, n, d), flush=True)
            with open(path + '.tmp', 'w') as f:
                json.dump(results, f, indent=1)
            os.replace(path + '.tmp', path)
    if a.report:
        text = report.markdown(results, cases())
        with open(a.report + '.tmp', 'w') as f:
            f.write(text)
        os.replace(a.report + '.tmp', a.report)


if __name__ == '__main__':
    main()
