import draw, torch
from pathlib import Path
from seqvise.images.pictures_network import PicturesNetwork
draw.draw_folder(Path("images"), each=6)
torch.manual_seed(1)
net = PicturesNetwork()
torch.save({k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items() if not k.startswith("classifier.")}, "network.pt")
W={"red":(1,0,0,.2),"green":(0,1,0,.2),"blue":(0,0,1,.2),"plum":(1,0,1,.1),"the":(1,1,1,1)}
Path("words.vec").write_text(f"{len(W)} 4\n"+"".join(f"{w} {' '.join(map(str,v))}\n" for w,v in W.items()))
