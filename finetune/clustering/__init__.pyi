from .adding import NOWHERE as NOWHERE, Centres as Centres, Library as Library
from .constraints import NO_NAME as NO_NAME, Constraints as Constraints
from .correcting import (
    Correct as Correct,
    merging as merging,
    naming as naming,
    parting as parting,
    splitting as splitting,
    undoing as undoing,
)
from .corrections import (
    Corrections as Corrections,
    read_corrections as read_corrections,
    refuse_name as refuse_name,
    write_corrections as write_corrections,
)
from .earlier import Earlier as Earlier
from .faces import Faces as Faces, read_faces as read_faces, write_faces as write_faces
from .figures import BCubed as BCubed, bcubed as bcubed
from .finding import embed_faces as embed_faces, list_photos as list_photos
from .folder import (
    Line as Line,
    Settings as Settings,
    Stored as Stored,
    changing as changing,
    lines as lines,
    read_clusters as read_clusters,
    read_settings as read_settings,
    refuse_within_result as refuse_within_result,
    shown as shown,
    was_clustered as was_clustered,
    write_clusters as write_clusters,
)
from .joining import SHARE as SHARE, join as join, why_anew as why_anew
from .linkage import Clustered as Clustered, Known as Known, average_linkage as average_linkage
from .metric import Metric as Metric, learn_metric as learn_metric
from .neighbours import Edges as Edges, expand as expand, similar_pairs as similar_pairs
from .numbering import number_clusters as number_clusters
from .page import by_size as by_size, render as render
from .people import FAR as FAR, Clusters as Clusters, find_people as find_people
from .references import face_of as face_of, faces_meant as faces_meant
from .result import (
    SINGLE as SINGLE,
    People as People,
    cluster_faces as cluster_faces,
    enrolled_faces as enrolled_faces,
    is_poor as is_poor,
    join_faces as join_faces,
)
from .running import (
    Done as Done,
    absolute as absolute,
    agreement as agreement,
    cluster_photos as cluster_photos,
    correct_clusters as correct_clusters,
)
from .sheets import Tiles as Tiles, read_sheets as read_sheets
from .thresholds import estimate_threshold as estimate_threshold
from .thumbnails import (
    Thumbnails as Thumbnails,
    cut_thumbnails as cut_thumbnails,
    read_thumbnails as read_thumbnails,
    sheet as sheet,
    thumbnail as thumbnail,
    write_thumbnails as write_thumbnails,
)
