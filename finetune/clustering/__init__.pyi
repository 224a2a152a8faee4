from .agreement import BCubed as BCubed, bcubed as bcubed
from .constraints import NO_NAME as NO_NAME, Constraints as Constraints
from .linkage import Clustered as Clustered, Known as Known, average_linkage as average_linkage
from .neighbours import Edges as Edges, expand as expand, similar_pairs as similar_pairs
from .people import FAR as FAR, Clusters as Clusters, find_people as find_people
from .thresholds import estimate_threshold as estimate_threshold
