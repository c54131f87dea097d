# Fused attention operators as small graphs, with maps from numpy (softmax in float64) and outputs from onnxruntime's CPU provider.
# pip install onnx onnxruntime numpy safetensors; python scripts/goldens-onnx-fused.py test/goldens/data/onnx-fused
import json, os, sys
import onnx, numpy as np, onnxruntime as ort
from onnx import helper as h, numpy_helper as nh, TensorProto as TP
from safetensors.numpy import save_file
rng=np.random.default_rng(7)
OUT=sys.argv[1]
def sm(x):
    x=x.astype(np.float64); m=x.max(-1,keepdims=True); e=np.exp(x-m); return (e/e.sum(-1,keepdims=True)).astype(np.float32)
def case(name,nodes,ins,outs,feeds,inits,maps,want,tol,note):
    d=f'{OUT}/{name}'; os.makedirs(d,exist_ok=True)
    g=h.make_graph(nodes,name,[h.make_tensor_value_info(n,t,s) for n,t,s in ins],[h.make_tensor_value_info(n,t,s) for n,t,s in outs],[nh.from_array(v,k) for k,v in inits.items()])
    m=h.make_model(g,opset_imports=[h.make_opsetid('',17),h.make_opsetid('com.microsoft',1)],ir_version=8)
    onnx.save(m,d+'/model.onnx')
    try:
        s=ort.InferenceSession(m.SerializeToString(),providers=['CPUExecutionProvider'])
        r=dict(zip([o.name for o in s.get_outputs()],s.run(None,feeds)))
    except Exception as e: print(name,'ORT cannot:',str(e)[:160]); return
    for k,v in want.items(): print(name,k,'ref vs ORT',np.abs(v-r[k]).max())
    t={f'attention.{k}':v for k,v in maps.items()}; t.update({f'input.{k}':np.ascontiguousarray(v) for k,v in feeds.items()}); t.update({f'output.{k}':v for k,v in r.items()})
    save_file({k:np.ascontiguousarray(v) for k,v in t.items()},d+'/golden.safetensors')
    json.dump({'id':name,'operator':note,'tol_abs':tol,'oracle':f'numpy {np.__version__} softmax in float64; ordinary outputs: onnxruntime {ort.__version__} on CPU','seed':7,'script':'scripts/goldens-onnx-fused.py','date':'2026-11-24'},open(d+'/case.json','w'),indent=2)
    print('made',name)
f=lambda *s: rng.standard_normal(s).astype(np.float32)
B,T,H,D=2,5,3,4; E=H*D
heads=lambda x,n=H: x.reshape(x.shape[0],x.shape[1],n,-1).transpose(0,2,1,3)
merge=lambda x: x.transpose(0,2,1,3).reshape(x.shape[0],x.shape[2],-1)
# 1 Attention with past, causal, 2-D mask
x=f(B,T,E); W=f(E,3*E)*.5; b=f(3*E)*.2; P=3; past=f(2,B,H,P,D); mask=np.ones((B,P+T),np.int32); mask[1,:2]=0
qkv=x@W+b; q,k,v=[heads(z) for z in np.split(qkv,3,-1)]
K=np.concatenate([past[0],k],2); V=np.concatenate([past[1],v],2)
s=q@K.transpose(0,1,3,2)/np.sqrt(D); i=np.arange(T)[:,None]+P; s=np.where(np.arange(P+T)[None]>i,-np.inf,s)+np.where(mask[:,None,None]==1,0,-10000)
A=sm(s)
case('attention-past',[h.make_node('Attention',['x','W','b','mask','past'],['y','present'],domain='com.microsoft',num_heads=H,unidirectional=1)],[('x',1,[B,'t',E]),('mask',6,[B,'s']),('past',1,[2,B,H,'p',D])],[('y',1,None),('present',1,None)],dict(x=x,mask=mask,past=past),dict(W=W,b=b),{'self.0':A},{'y':merge(A@V)},2e-6,'com.microsoft.Attention with past, causal, mask [B, P + T]')
# 2 Attention with attention_bias and different v size, lengths mask
vs=6; W2=f(E,2*E+H*2)*.5; b2=f(2*E+H*2)*.2; bias=f(1,H,T,T); lens=np.array([5,3],np.int32)
qkv=x@W2+b2; q,k,v=heads(qkv[...,:E]),heads(qkv[...,E:2*E]),heads(qkv[...,2*E:])
s=q@k.transpose(0,1,3,2)/np.sqrt(D)+np.where(np.arange(T)[None,None,None]<lens[:,None,None,None],0,-10000)+bias
A=sm(s)
case('attention-bias-lengths',[h.make_node('Attention',['x','W','b','lens','','bias'],['y'],domain='com.microsoft',num_heads=H,qkv_hidden_sizes=[E,E,H*2])],[('x',1,[B,'t',E]),('lens',6,[B]),('bias',1,[1,H,'t','t'])],[('y',1,None)],dict(x=x,lens=lens,bias=bias),dict(W=W2,b=b2),{'self.0':A},{'y':merge(A@v)},2e-6,'com.microsoft.Attention with lengths, a bias and narrower values')
# 3 QAttention
xs,ws=np.float32(0.02),np.float32(0.01); xq=rng.integers(0,255,(B,T,E)).astype(np.uint8); wq=rng.integers(-20,20,(E,3*E)).astype(np.int8); xz=np.uint8(128); wz=np.int8(0)
qkv=(xq.astype(np.int32)-128)@wq.astype(np.int32)*(xs*ws)+b*.2; qkv=qkv.astype(np.float32)
q,k,v=[heads(z) for z in np.split(qkv,3,-1)]
s=q@k.transpose(0,1,3,2)/np.sqrt(D); mask2=np.ones((B,T),np.int32); mask2[1,3:]=0
A=sm(s+np.where(mask2[:,None,None]==1,0,-10000))
case('qattention',[h.make_node('QAttention',['x','W','b','xs','ws','mask','xz','wz'],['y'],domain='com.microsoft',num_heads=H)],[('x',2,[B,'t',E]),('mask',6,[B,'t'])],[('y',1,None)],dict(x=xq,mask=mask2),dict(W=wq,b=(b*.2).astype(np.float32),xs=xs,ws=ws,xz=xz,wz=wz),{'self.0':A},{'y':merge(A@v)},5e-5,'com.microsoft.QAttention')
# 4 GQA rotary
def rope(x,pos,cos,sin):
    d=x.shape[-1]//2; c=cos[pos][None,None]; s_=sin[pos][None,None]; a,bb=x[...,:d],x[...,d:]; return np.concatenate([a*c-bb*s_,bb*c+a*s_],-1)
Hq,Hk,Dh=4,2,16; S=6; inv=1/10000**(np.arange(0,Dh,2)/Dh); ang=np.arange(32)[:,None]*inv; cos,sin=np.cos(ang).astype(np.float32),np.sin(ang).astype(np.float32)
def gqa(name,P,T,packed,window=-1,softcap=0.0,B=1):
    q,k,v=f(B,T,Hq*Dh),f(B,T,Hk*Dh),f(B,T,Hk*Dh); pk,pv=f(B,Hk,P,Dh),f(B,Hk,P,Dh)
    pos=np.arange(P,P+T); qh=rope(heads(q,Hq),pos,cos,sin); kh=rope(heads(k,Hk),pos,cos,sin); vh=heads(v,Hk)
    K=np.concatenate([pk,kh],2); V=np.concatenate([pv,vh],2)
    s=qh@np.repeat(K,Hq//Hk,1).transpose(0,1,3,2)/np.sqrt(Dh)
    if softcap: s=softcap*np.tanh(s/softcap)
    i=np.arange(T)[:,None]+P; j=np.arange(P+T)[None]; ban=j>i
    if window>0: ban=ban|(j<=i-window)
    A=sm(np.where(ban,-np.inf,s)); y=merge(A@np.repeat(V,Hq//Hk,1))
    seq=np.full((B,),P+T-1,np.int32); tot=np.array(P+T,np.int32)
    feeds=dict(pk=pk,pv=pv,seq=seq,tot=tot)
    if packed: feeds['q']=np.concatenate([q,k,v],-1); qi=['q','','']; qin=[('q',1,[B,'t',(Hq+2*Hk)*Dh])]
    else: feeds.update(q=q,k=k,v=v); qi=['q','k','v']; qin=[('q',1,[B,'t',Hq*Dh]),('k',1,[B,'t',Hk*Dh]),('v',1,[B,'t',Hk*Dh])]
    at=dict(num_heads=Hq,kv_num_heads=Hk,do_rotary=1); 
    if window>0: at['local_window_size']=window
    if softcap: at['softcap']=softcap
    case(name,[h.make_node('GroupQueryAttention',qi+['pk','pv','seq','tot','cos','sin'],['y','prk','prv'],domain='com.microsoft',**at)],qin+[('pk',1,[B,Hk,'p',Dh]),('pv',1,[B,Hk,'p',Dh]),('seq',6,[B]),('tot',6,[])],[('y',1,None),('prk',1,None),('prv',1,None)],feeds,dict(cos=cos,sin=sin),{'self.0':A},{'y':y},2e-6,f'com.microsoft.GroupQueryAttention, rotary inside, past {P}, packed {packed}, window {window}, softcap {softcap}')
gqa('groupquery-rotary',0,5,False,B=2); gqa('groupquery-rotary-packed',0,5,True,B=2); gqa('groupquery-rotary-packed-step',4,1,True,B=2); gqa('groupquery-rotary-window-softcap',0,7,False,3,5.0,B=2)
# 5 DecoderMaskedMultiHeadAttention: one step, past in a shared buffer
P=3;M=8
q,k,v=f(B,1,E),f(B,1,E),f(B,1,E); pk=np.zeros((B,H,M,D),np.float32); pv=pk.copy(); pk[:,:,:P]=f(B,H,P,D); pv[:,:,:P]=f(B,H,P,D)
K=np.concatenate([pk[:,:,:P],heads(k)],2); V=np.concatenate([pv[:,:,:P],heads(v)],2); A=sm(heads(q)@K.transpose(0,1,3,2)/np.sqrt(D))
case('decodermasked-step',[h.make_node('DecoderMaskedMultiHeadAttention',['q','k','v','','','pk','pv','len'],['y','prk','prv'],domain='com.microsoft',num_heads=H,past_present_share_buffer=1)],[('q',1,[B,1,E]),('k',1,[B,1,E]),('v',1,[B,1,E]),('pk',1,[B,H,M,D]),('pv',1,[B,H,M,D]),('len',6,[1])],[('y',1,None),('prk',1,None),('prv',1,None)],dict(q=q,k=k,v=v,pk=pk,pv=pv,len=np.array([P],np.int32)),{},{'self.0':A},{'y':merge(A@V)},2e-6,'com.microsoft.DecoderMaskedMultiHeadAttention, one step')
# 5b cross
Kc,Vc=f(B,H,6,D),f(B,H,6,D); A=sm(heads(q)@Kc.transpose(0,1,3,2)/np.sqrt(D))
case('decodermasked-cross',[h.make_node('DecoderMaskedMultiHeadAttention',['q','kc','vc'],['y'],domain='com.microsoft',num_heads=H)],[('q',1,[B,1,E]),('kc',1,[B,H,'s',D]),('vc',1,[B,H,'s',D])],[('y',1,None)],dict(q=q,kc=Kc,vc=Vc),{},{'cross.0':A},{'y':merge(A@Vc)},2e-6,'com.microsoft.DecoderMaskedMultiHeadAttention, cross')
# 6 MHA with past, bias, cross, key padding, unidirectional, packed qkv
q,k,v=f(B,T,E),f(B,7,E),f(B,7,E); kp=np.ones((B,7),np.int32); kp[1,5:]=0; bb=f(3*E); ab=f(1,H,T,7)
qh,kh,vh=heads(q+bb[:E]),heads(k+bb[E:2*E]),heads(v+bb[2*E:]); s=qh@kh.transpose(0,1,3,2)*0.4+np.where(kp[:,None,None]==1,0,-10000)+ab; A=sm(s)
case('multihead-cross-bias',[h.make_node('MultiHeadAttention',['q','k','v','b','kp','ab'],['y'],domain='com.microsoft',num_heads=H,scale=0.4)],[('q',1,[B,'t',E]),('k',1,[B,'s',E]),('v',1,[B,'s',E]),('kp',6,[B,'s']),('ab',1,[1,H,'t','s'])],[('y',1,None)],dict(q=q,k=k,v=v,kp=kp,ab=ab),dict(b=bb),{'cross.0':A},{'y':merge(A@vh)},2e-6,'com.microsoft.MultiHeadAttention, other keys, bias, padding, scale')
q,k,v=f(B,1,E),f(B,1,E),f(B,1,E); pk,pv=f(B,H,4,D),f(B,H,4,D); K=np.concatenate([pk,heads(k)],2); V=np.concatenate([pv,heads(v)],2); A=sm(heads(q)@K.transpose(0,1,3,2)/np.sqrt(D))
case('multihead-past',[h.make_node('MultiHeadAttention',['q','k','v','','','','pk','pv'],['y','prk','prv'],domain='com.microsoft',num_heads=H,unidirectional=1)],[('q',1,[B,'t',E]),('k',1,[B,'t',E]),('v',1,[B,'t',E]),('pk',1,[B,H,'p',D]),('pv',1,[B,H,'p',D])],[('y',1,None),('prk',1,None),('prv',1,None)],dict(q=q,k=k,v=v,pk=pk,pv=pv),{},{'self.0':A},{'y':merge(A@V)},2e-6,'com.microsoft.MultiHeadAttention, past')
q=f(B,T,E); k=f(B,T,E); v=f(B,T,E); s=heads(q)@heads(k).transpose(0,1,3,2)/np.sqrt(D); A=sm(np.where(np.arange(T)[None]>np.arange(T)[:,None],-np.inf,s))
case('multihead-causal',[h.make_node('MultiHeadAttention',['q','k','v'],['y'],domain='com.microsoft',num_heads=H,unidirectional=1)],[('q',1,[B,'t',E]),('k',1,[B,'t',E]),('v',1,[B,'t',E])],[('y',1,None)],dict(q=q,k=k,v=v),{},{'self.0':A},{'y':merge(A@heads(v))},2e-6,'com.microsoft.MultiHeadAttention, causal')
