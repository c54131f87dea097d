# Makes this folder: a tiny T5 with random weights, exported in two files with a cache, and the maps of one pass
# without a cache. torch 2, transformers 5: python make.py
# reference.json: { ids, decoder, cross }, a flat list [1, H, T, keys] per layer.
import torch, os, json
from transformers import T5Config, T5ForConditionalGeneration
from transformers.cache_utils import EncoderDecoderCache, DynamicCache
torch.manual_seed(7)
cfg=T5Config(vocab_size=97,d_model=24,d_kv=8,d_ff=32,num_layers=2,num_heads=3,decoder_start_token_id=0,pad_token_id=0,eos_token_id=1,attn_implementation="eager")
m=T5ForConditionalGeneration(cfg).eval()
with torch.no_grad():
    for p in m.parameters(): p.copy_(torch.randn_like(p)*0.3)
out=os.path.dirname(os.path.abspath(__file__)); os.makedirs(out+"/onnx",exist_ok=True)
class Enc(torch.nn.Module):
    def __init__(s): super().__init__(); s.e=m.encoder
    def forward(s,input_ids,attention_mask): return s.e(input_ids=input_ids,attention_mask=attention_mask).last_hidden_state
class Dec(torch.nn.Module):
    def __init__(s): super().__init__(); s.m=m
    def forward(s,encoder_attention_mask,input_ids,encoder_hidden_states,*past):
        self_c=DynamicCache(); cross=DynamicCache()
        for l in range(2):
            self_c.update(past[4*l],past[4*l+1],l)
        # cross keys are computed again from the encoder's states at every step: same numbers, no branch needed
        c=EncoderDecoderCache(self_c,cross)
        o=s.m.decoder(input_ids=input_ids,encoder_hidden_states=encoder_hidden_states,encoder_attention_mask=encoder_attention_mask,past_key_values=c,use_cache=True)
        h=o.last_hidden_state
        if s.m.config.tie_word_embeddings: h=h*(s.m.model_dim**-0.5)
        res=[s.m.lm_head(h)]
        for l in range(2):
            a=c.self_attention_cache.layers[l]; b=c.cross_attention_cache.layers[l]
            res+= [a.keys,a.values,b.keys,b.values]
        return tuple(res)
ids=torch.tensor([[5,6,7,8,1]]); am=torch.ones_like(ids)
torch.onnx.export(Enc(),(ids,am),out+"/onnx/encoder_model.onnx",input_names=["input_ids","attention_mask"],output_names=["last_hidden_state"],dynamic_axes={"input_ids":{0:"b",1:"n"},"attention_mask":{0:"b",1:"n"},"last_hidden_state":{0:"b",1:"n"}},opset_version=17,dynamo=False)
h=m.encoder(input_ids=ids,attention_mask=am).last_hidden_state.detach()
past=[torch.randn(1,3,2,8) for _ in range(8)]
names=[f"past_key_values.{l}.{s}.{k}" for l in range(2) for s in("decoder","encoder") for k in("key","value")]
dyn={"encoder_attention_mask":{0:"b",1:"n"},"input_ids":{0:"b",1:"t"},"encoder_hidden_states":{0:"b",1:"n"},"logits":{0:"b",1:"t"}}
for n in names:
    dyn[n]={0:"b",2:"past"+("e" if "encoder" in n else "d")}; dyn[n.replace("past_key_values","present")]={0:"b",2:"tot"+("e" if "encoder" in n else "d")}
torch.onnx.export(Dec(),(am,torch.tensor([[0]]),h,*past),out+"/onnx/decoder_model_merged.onnx",input_names=["encoder_attention_mask","input_ids","encoder_hidden_states"]+names,output_names=["logits"]+[n.replace("past_key_values","present") for n in names],dynamic_axes=dyn,opset_version=17,dynamo=False)
json.dump(m.config.to_dict(),open(out+"/config.json","w"),default=str)
m.eval()
g=m.generate(input_ids=ids,attention_mask=am,max_new_tokens=4,do_sample=False,eos_token_id=None,output_attentions=True,return_dict_in_generate=True)
print(g.sequences.tolist())
with torch.no_grad():
    f=m(input_ids=ids,attention_mask=am,decoder_input_ids=g.sequences[:,:-1],output_attentions=True)
json.dump({"ids":g.sequences[0].tolist(),"decoder":[a.flatten().tolist() for a in f.decoder_attentions],"cross":[a.flatten().tolist() for a in f.cross_attentions]},open(out+"/reference.json","w"))
