# What transformers' apply_chat_template makes of conversations, with templates in the styles that chat models use.
# pip install transformers tokenizers jinja2; python scripts/goldens-chat.py test/goldens/data/chat/cases.json
import json, os, sys
import transformers
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

TEMPLATES = {
  # Roles between marks; a default system text; tools as JSON, one a line; calls and answers in tags.
  'marks': """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}{{- messages[0]['content'] }}{%- else %}{{- 'Be brief.' }}{%- endif %}
    {{- "\\n\\nCall one of:\\n<tools>" }}
    {%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\\nBe brief.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and (not loop.first or not tools)) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}{{- '\\n' + message.content }}{%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '\\n<call>\\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}{{- tool_call.arguments | tojson }}{{- '}\\n</call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<answer>\\n' }}{{- message.content }}{{- '\\n</answer>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
""",
  # Headers around roles; trimmed texts; tools in the first user message with an indent; a switch of its own.
  'headers': """{{- bos_token }}
{%- if not tools_in_user is defined %}
    {%- set tools_in_user = true %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = "" %}
{%- endif %}
<|start|>system<|end|>

{% if tools is not none %}
{{- "Tools: yes\\n" }}
{%- endif %}
{{- system }}<|eot|>
{%- if tools_in_user and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first = messages[0]['content'] | trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("No user message to put the tools in!") }}
    {%- endif %}
    {{- '<|start|>user<|end|>\\n\\n' -}}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
    {{- first + "<|eot|>" }}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start|>' + message['role'] + '<|end|>\\n\\n' + message['content'] | trim + '<|eot|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}
            {{- raise_exception("One call at a time!") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<|start|>assistant<|end|>\\n\\n{"name": "' + call.name + '", "parameters": ' }}
        {{- call.arguments | tojson }}
        {{- "}<|eot|>" }}
    {%- else %}
        {{- "<|start|>ipython<|end|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start|>assistant<|end|>\\n\\n' }}
{%- endif %}
""",
  # Brackets; roles must take turns; tools before the last question; ids of calls have nine characters.
  'brackets': """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("Roles must alternate user/assistant/user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}{{- '"' + key + '": "' + val + '"' }}{%- else %}{{- '"' + key + '": ' + val|tojson }}{%- endif %}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}
            {{- "[/TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("Ids of calls must have length 9!") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool" %}
        {{- '[RESULTS] {"content": ' + message.content|string + "}[/RESULTS]" }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported!") }}
    {%- endif %}
{%- endfor %}
""",
  # Short: a role a line, thinking on request, reasoning cut from earlier turns, other special tokens.
  'plain': """{% for message in messages %}
{% set text = message['content'] %}
{% if message.role == 'assistant' and '</think>' in text %}{% set text = text.split('</think>')[-1].lstrip('\\n') %}{% endif %}
{{ cls_token if loop.first else sep_token }}{{ message['role'] | upper ~ ': ' ~ text }}
{% if loop.last and message.role == 'user' and enable_thinking is defined and enable_thinking is false %}
<think></think>
{% endif %}
{% endfor %}
{% if documents %}{% for d in documents %}{{ loop.index }}. {{ d.title | default('?') }}{{ '\\n' if not loop.last }}{% endfor %}
{% endif %}
{{ 'ASSISTANT:' if add_generation_prompt }}""",
}
weather = {'type': 'function', 'function': {'name': 'weather', 'description': 'Tells the weather of "a place" <now>, in °C.',
  'parameters': {'type': 'object', 'properties': {'place': {'type': 'string', 'enum': ['Köln', '東京']}, 'days': {'type': 'integer', 'default': 1, 'minimum': 0.5}, 'exact': {'type': 'boolean', 'default': False}, 'unit': {'default': None}}, 'required': ['place']}}}
clock = {'type': 'function', 'function': {'name': 'clock', 'description': 'Tells the time.', 'parameters': {'type': 'object', 'properties': {}}}}
u = lambda t: {'role': 'user', 'content': t}
a = lambda t: {'role': 'assistant', 'content': t}
s = lambda t: {'role': 'system', 'content': t}
call = lambda *c: {'role': 'assistant', 'content': None, 'tool_calls': [{'id': f'call0000{i}', 'type': 'function', 'function': {'name': n, 'arguments': g}} for i, (n, g) in enumerate(c)]}
back = lambda t: {'role': 'tool', 'content': t}
CHATS = {
  'one': [u('Hello!')], 'system': [s('Speak Latin.'), u('Who are you?')], 'turns': [s(' Be  kind. \n'), u(' 1 + 1? '), a('<think>\nhm\n</think>\n\n2 '), u('And 2 × 2?')],
  'unicode': [u('👩‍👩‍👧 ä 你好 "quoted" <b> & {{ no }}')], 'ends with the assistant': [u('Tell'), a('Once')], 'empty': [u('')],
  'a call': [u('Weather in Köln?'), call(('weather', {'place': 'Köln', 'days': 2, 'exact': True, 'unit': None, 'n': [1.5, {'x': '<"'}]})), back('{"sky": "grey"}'), a('Grey.'), u('Thanks')],
  'two calls': [u('Time and weather?'), call(('clock', {}), ('weather', {'place': '東京'})), back('12:00'), back('sun')],
  'two in a row': [u('a'), u('b')], 'a stranger': [u('a'), {'role': 'critic', 'content': 'b'}],
}
tokens = {'bos_token': '<s>', 'eos_token': '</s>', 'cls_token': '[CLS]', 'sep_token': '[SEP]'}
cases = []
for name, template in TEMPLATES.items():
    t = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({'<s>': 0, '</s>': 1, '[CLS]': 2, '[SEP]': 3, '?': 4}, '?')), **tokens)
    for chat, messages in CHATS.items():
        if name == 'plain' and any(m['content'] is None for m in messages): continue
        for options in [{}, {'addGenerationPrompt': False}, {'tools': [weather, clock]}, *([{'variables': {'enable_thinking': False}}, {'documents': [{'title': 'T'}, {'text': 'x'}]}] if name == 'plain' else [])]:
            if 'tools' in options and name == 'plain': continue
            try:
                text = t.apply_chat_template(messages, chat_template=template, tokenize=False, tools=options.get('tools'), documents=options.get('documents'), add_generation_prompt=options.get('addGenerationPrompt', True), **options.get('variables', {}))
                case = {'text': text}
            except Exception as e: case = {'error': str(e)}
            cases.append({'template': name, 'chat': chat, 'options': options, **case})
out = {'oracle': f'transformers {transformers.__version__}', 'script': 'scripts/goldens-chat.py', 'date': '2026-11-30', 'tokens': tokens, 'templates': TEMPLATES, 'chats': CHATS, 'cases': cases}
os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
json.dump(out, open(sys.argv[1], 'w'), ensure_ascii=False, indent=1)
print(len(cases), 'cases', sum('error' in c for c in cases), 'errors', {c['error'] for c in cases if 'error' in c})
