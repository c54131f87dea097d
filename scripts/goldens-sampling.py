# What transformers' logits processors make of random scores: which tokens may come next, and how likely each is.
# pip install torch transformers numpy; python scripts/goldens-sampling.py test/goldens/data/sampling/cases.json
import json, os, sys
import torch, transformers
from transformers import LogitsProcessorList, RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

# The order of transformers.generation.utils._get_logits_processor.
def processors(o):
    out = LogitsProcessorList()
    if o.get('repetitionPenalty', 1) != 1: out.append(RepetitionPenaltyLogitsProcessor(o['repetitionPenalty']))
    if o.get('temperature', 1) != 1: out.append(TemperatureLogitsWarper(o['temperature']))
    if 'topK' in o: out.append(TopKLogitsWarper(o['topK']))
    if o.get('topP', 1) < 1: out.append(TopPLogitsWarper(o['topP']))
    return out

generator = torch.Generator().manual_seed(20261130)
draw = lambda *choices: choices[torch.randint(len(choices), (1,), generator=generator).item()]
cases = []
for n in range(120):
    V = draw(5, 17, 61)
    scores = torch.randn(1, V, generator=generator) * draw(0.5, 2.0, 6.0)
    if n % 7 == 0: scores = (scores * 2).round() / 2  # ties, and zeros
    options = {'temperature': draw(0.3, 0.7, 1.0, 1.9)}
    if n % 2: options['topK'] = draw(1, 3, 10, 100)
    if n % 3: options['topP'] = draw(0.1, 0.5, 0.9, 0.97, 1.0)
    if n % 5 < 3: options['repetitionPenalty'] = draw(0.8, 1.1, 1.7)
    seen = torch.randint(V, (1, draw(1, 4, 9)), generator=generator)
    made = processors(options)(seen, scores.clone())
    # Where equal scores straddle the nucleus' edge, torch's sort decides which of them stays: such a case says nothing.
    if n % 7 == 0 and options.get('topP', 1) < 1:
        kept = made[0][made[0] > -torch.inf].min()
        whole = processors({k: v for k, v in options.items() if k != 'topP'})(seen, scores.clone())
        if (whole[0] == kept).sum() > (made[0] == kept).sum(): continue
    cases.append({'options': options, 'seen': seen[0].tolist(), 'scores': scores[0].tolist(),
                  'probabilities': torch.softmax(made.double(), -1)[0].tolist()})
os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
short = lambda x: [0 if v == 0 else float(f'{v:.9g}') for v in x]
for c in cases: c['scores'], c['probabilities'] = short(c['scores']), short(c['probabilities'])
birth = {'oracle': f'transformers {transformers.__version__}, torch {torch.__version__}', 'seed': 20261130,
         'script': 'scripts/goldens-sampling.py', 'date': '2026-11-30'}
with open(sys.argv[1], 'w') as f:
    f.write(json.dumps(birth)[:-1] + ', "cases": [\n' + ',\n'.join(json.dumps(c, separators=(',', ':')) for c in cases) + '\n]}\n')
print(len(cases), 'cases')
