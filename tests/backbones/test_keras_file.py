"""A network is read from the configuration of a Keras model, and what can't be used is told in one line per layer."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings, strategies as st

from finetune.backbones import layer_kinds as kinds, read_network
from finetune.errors import CheckpointError
from tests.keras_configs import IMAGE, convolution, functional, image, layer, sequential, small, tensor

ADVICE = "; only Keras's own layers of image networks can be used"


def nodes(config):
    return {node.name: node for unit in read_network(config).units for node in unit.made_of.nodes}


def refused(config):
    """Return the lines of the refusal, without the advice."""
    with pytest.raises(CheckpointError) as caught:
        read_network(config)
    lines = str(caught.value).splitlines()
    assert all(line.endswith(ADVICE) for line in lines)
    return [line.removesuffix(ADVICE) for line in lines]


def test_a_network_is_cut_at_its_blocks_and_loses_its_classifier():
    network = read_network(small())
    assert [(unit.name, [node.name for node in unit.made_of.nodes]) for unit in network.units] == [
        ("conv1", ["conv1_conv", "conv1_bn", "conv1_relu"]),
        ("block_1", ["block_1_expand", "block_1_project", "block_1_add", "pool"]),
    ]
    assert network.image == (32, 32, 3)
    assert network.remarks == ("the classifier people was left out",)


def test_settings_become_those_of_the_layers():
    found = nodes(small())
    assert found["conv1_conv"].layer == kinds.Conv2D(4, (3, 3), padding="same", use_bias=False)
    assert found["conv1_bn"].layer == kinds.BatchNormalization(0.99, 1e-5)
    assert found["conv1_relu"].layer == kinds.ReLU(6.0)
    assert found["block_1_expand"].layer == kinds.Conv2D(4, (3, 3), padding="same", activation="silu")
    assert found["block_1_add"].inputs == ("block_1_project", "")
    assert found["pool"].layer == kinds.GlobalAveragePooling2D()


def test_a_sequential_model_and_a_model_within_it_are_unfolded():
    inner = functional(
        image("inner_image"),
        convolution("conv2d", ["inner_image"]),
        convolution("conv2d_1", ["conv2d"]),
        name="base",
    )
    model = sequential(image(), inner, layer("Flatten", "flat"), layer("Dense", "embedding", units=5))
    network = read_network(model)
    assert [unit.name for unit in network.units] == ["conv2d", "conv2d_1", "embedding"]
    assert [node.inputs for unit in network.units for node in unit.made_of.nodes] == [
        ("",),
        ("",),
        ("conv2d_1",),
        ("",),
    ]
    assert (network.image, network.remarks) == ((32, 32, 3), ())


def test_a_sequential_model_without_an_input_layer_says_the_shape_that_it_was_built_for():
    model = sequential(convolution("conv", []), layer("Flatten", "flat"), build_input_shape=[None, 8, 8, 1])
    assert read_network(model).image == (8, 8, 1)
    assert [unit.name for unit in read_network(model).units] == ["conv"]


def test_long_names_with_many_words_are_read_in_a_moment():
    names = ["_".join("x" * 90) + f"_{i}_{i % 7}" for i in range(2000)]
    layers = [convolution(name, [before]) for before, name in zip(["image", *names], names, strict=False)]
    assert len(read_network(functional(image(), *layers)).units) == 2000


def test_a_feature_map_at_the_end_is_averaged():
    network = read_network(functional(image(shape=[None, None, None, 3]), convolution("avg_pool", ["image"])))
    (unit,) = network.units
    assert [node.name for node in unit.made_of.nodes] == ["avg_pool", "avg_pool_1"]
    assert unit.made_of.nodes[1].layer == kinds.GlobalAveragePooling2D()
    assert network.image == (None, None, 3)
    assert network.remarks == (
        "the output is a feature map, and so the average over its places was added as avg_pool_1",
    )


@pytest.mark.parametrize(
    "end",
    [
        [layer("Dense", "people", ["pool"], units=7, activation="sigmoid")],
        [layer("Dense", "people", ["pool"], units=7), layer("Softmax", "softmax", ["people"])],
        [layer("Dense", "people", ["pool"], units=7), layer("Activation", "act", ["people"], activation="softmax")],
        [
            layer("Dense", "people", ["pool"], units=7),
            layer("Dropout", "drop", ["people"], rate=0.5),
            layer("Softmax", "softmax", ["drop"]),
        ],
        [
            layer("Reshape", "place", ["pool"], target_shape=[1, 1, 4]),
            convolution("people", ["place"]),
            layer("Flatten", "flat", ["people"]),
            layer("Activation", "act", ["flat"], activation="softmax"),
        ],
    ],
    ids=["sigmoid", "softmax layer", "activation", "dropout between", "convolution"],
)
def test_a_classifier_is_left_out_in_each_of_its_forms(end):
    network = read_network(functional(*small()["config"]["layers"][:-2], *end))
    assert "the classifier people was left out" in network.remarks
    assert "people" not in {node.name for unit in network.units for node in unit.made_of.nodes}
    assert [unit.name for unit in network.units] == ["conv1", "block_1"]


def test_a_last_dense_layer_without_softmax_is_an_embedding_and_stays():
    layers = small()["config"]["layers"][:-1]
    network = read_network(functional(*layers, layer("Dense", "embedding", ["dropout"], units=5)))
    assert [unit.name for unit in network.units] == ["conv1", "block_1", "embedding"]
    assert network.remarks == ("what acts in Keras's training alone was left out: dropout",)


def test_keras_2_lists_layer_call_and_output():
    model = small()
    for one in model["config"]["layers"]:
        found = [
            [["image", 0, 0, {}]] if one["name"] == "conv1_conv" else [
                [source["config"]["keras_history"][0], 0, 0, {"training": False}]
                for call in one["inbound_nodes"]
                for argument in call["args"]
                for source in (argument if isinstance(argument, list) else [argument])
            ]
        ]  # fmt: skip
        one["inbound_nodes"] = found if one["inbound_nodes"] else []
    model["config"] |= {"input_layers": [["image", 0, 0]], "output_layers": [["people", 0, 0]]}
    assert read_network(model) == read_network(small())


def test_numbers_in_operations_rescale():
    operations = [("Add", 3.0), ("Multiply", 0.5), ("TrueDivide", 4.0), ("Subtract", 1.0)]
    layers, before = [image()], "image"
    for name, number in operations:
        one = layer(name, name.lower(), [before], module="keras.src.ops.numpy")
        one["inbound_nodes"][0]["args"].append(number)
        one["registered_name"] = name
        layers.append(one)
        before = one["name"]
    relu = layer("Relu", "relu", [before], module="keras.src.ops.nn")
    found = nodes(functional(*layers, relu, convolution("conv", ["relu"])))
    assert [found[name.lower()].layer for name, _ in operations] == [
        kinds.Rescaling((1.0,), (3.0,)),
        kinds.Rescaling((0.5,)),
        kinds.Rescaling((0.25,)),
        kinds.Rescaling((1.0,), (-1.0,)),
    ]
    assert found["relu"].layer == kinds.Activation("relu")


def swapped(layer_name: str, /, **changes):
    """Return the small network with other settings of one layer."""
    model = small()
    (one,) = (one for one in model["config"]["layers"] if one["name"] == layer_name)
    one["config"] |= {key: value for key, value in changes.items() if key not in one}
    one |= {key: value for key, value in changes.items() if key in one}
    return model


def flattened(shape, units):
    """Return a network of one dense layer over all values of an image."""
    return functional(image(shape=shape), layer("Flatten", "a", ["image"]), layer("Dense", "b", ["a"], units=units))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (
            swapped("conv1_relu", class_name="Lambda"),
            "layer 'conv1_relu' is a Lambda, whose code would have to be executed",
        ),
        (
            swapped("conv1_relu", class_name="Mine", module="mine", registered_name="Mine>Mine"),
            "layer 'conv1_relu' is of the class 'Mine', which is not Keras's own",
        ),
        (
            swapped("conv1_relu", class_name="ReLU", module=None, registered_name="Custom>ReLU"),
            "layer 'conv1_relu' is of the class 'ReLU', which is not Keras's own",
        ),
        (swapped("conv1_relu", class_name="LSTM"), "layer 'conv1_relu' is a LSTM, which is not among the layers that"),
        (
            swapped("conv1_conv", data_format="channels_first"),
            "layer 'conv1_conv' has the text 'channels_first' as its data_format, where only",
        ),
        (swapped("conv1_conv", filters=True), "layer 'conv1_conv' has true as its filters, not a whole number"),
        (swapped("conv1_conv", filters=10**30), "layer 'conv1_conv' has a number outside 1 to 65536 as its filters"),
        (swapped("conv1_conv", filters="4"), "layer 'conv1_conv' has the text '4' as its filters, not a whole number"),
        (swapped("conv1_conv", kernel_size=[3]), "layer 'conv1_conv' has 1 numbers as its kernel_size, not 2"),
        (swapped("conv1_conv", padding="causal"), "layer 'conv1_conv' has the text 'causal' as its padding, not"),
        (swapped("conv1_conv", strides=[2, 2], dilation_rate=[2, 2]), "layer 'conv1_conv' has both strides and a"),
        (swapped("conv1_conv", groups=2), "layer 'conv1_conv' has 2 groups for 3 channels and 4 filters"),
        (swapped("conv1_conv", lora_rank=4), "layer 'conv1_conv' has 4 as its lora_rank, where only nothing can"),
        (swapped("conv1_conv", dtype={"class_name": "QuantizedDTypePolicy"}), "layer 'conv1_conv' is quantized"),
        (swapped("conv1_conv", use_bias=1), "layer 'conv1_conv' has 1 as its use_bias, not true or false"),
        (
            swapped("conv1_conv", activation={"class_name": "function", "config": "relu"}),
            "layer 'conv1_conv' has keys and values as its activation, not one of linear, relu,",
        ),
        (swapped("conv1_bn", axis=1), "layer 'conv1_bn' has 1 as its axis, where only the last axis can be used"),
        (swapped("conv1_bn", epsilon=float("nan")), "layer 'conv1_bn' has nan as its epsilon, not a number"),
        (swapped("conv1_bn", momentum=10**400), "layer 'conv1_bn' has a huge number as its momentum, not a number"),
        (swapped("conv1_bn", renorm=True), "layer 'conv1_bn' has true as its renorm, where only false can be used"),
        (swapped("conv1_relu", threshold=1.0), "layer 'conv1_relu' has a threshold other than 0"),
        (swapped("block_1_project", filters=5), "layer 'block_1_add' can't merge [32, 32, 5] and [32, 32, 4]"),
        (swapped("block_1_project", padding="valid"), "layer 'block_1_add' can't merge [30, 30, 4] and [32, 32, 4]"),
        (
            swapped("block_1_expand", kernel_size=[40, 40], padding="valid"),
            "layer 'block_1_expand' has a window of 40 for 32 places",
        ),
        (swapped("image", batch_shape=[None, 32, 32]), "has a list as the shape of its input, not images [n, h, w, c]"),
        (swapped("image", batch_shape=[None, 32, 32, None]), "has an input of nothing as a size"),
        (swapped("image", batch_shape=[None, -1, 32, 3]), "has an input of -1 as a size"),
        (swapped("conv1_conv", name="a b"), "holds a layer with the name 'a b' in place of a name of letters, digits,"),
        (swapped("conv1_conv", name=3), "holds a layer with 3 in place of a name of letters, digits,"),
        (functional(image(), convolution("a", ["b"])), "takes the output of a layer 'b' that it does not hold"),
        (
            functional(image(), convolution("a", ["b"]), convolution("b", ["a"])),
            "has an output that does not come from its input",
        ),
        (
            functional(image(), layer("Add", "a", ["image", "b"]), convolution("b", ["a"])),
            "holds layers that wait for one another",
        ),
        (functional(image(), convolution("a", ["image"]), convolution("a", ["image"])), "holds two layers of one name"),
        (functional(image(), layer("ReLU", "a", ["image"])), "holds no convolution and no dense layer"),
        (
            functional(image(), layer("Dense", "a", ["image"], units=3, activation="softmax")),
            "gives no features whose number is known",
        ),
        (
            flattened([None, None, None, 3], 3),
            "layer 'b' has weights whose number depends on the size of the image, which is left open",
        ),
        (
            flattened([None, 4096, 4096, 3], 9999),
            "has 503,266,158,351 values in its variables, more than 2,147,483,648",
        ),
        (
            functional(
                image(), convolution("a", ["image"]), input_layers=[["image", 0, 0], ["other", 0, 0]]
            ),
            "has 2 input layers, where one can be used",
        ),
        (functional(image(), convolution("a", ["image"]), output_layers=[]), "has 0 output layers, where one can be"),
        (layer("Mine", "model", module="mine", layers=[]), "is of the class 'Mine', which is not Keras's own"),
        ({"class_name": "Sequential", "config": {"layers": 3}}, "holds a model without a list of layers"),
        ({"class_name": "Sequential", "config": {"layers": [3]}}, "holds a model without a list of layers"),
        ({"class_name": "Sequential"}, "has no configuration"),
        ([], "has no configuration"),
        (None, "has no configuration"),
    ],
)  # fmt: skip
def test_what_can_not_be_used_is_told_in_one_line(model, told):
    lines = refused(model)
    assert len(lines) == 1
    assert lines[0].startswith(told)


def test_layers_that_are_called_twice_or_give_several_outputs_are_refused():
    model = small()
    block = model["config"]["layers"][4]
    block["inbound_nodes"] *= 2
    model["config"]["layers"][5]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][1] = 1
    model["config"]["layers"][6]["inbound_nodes"][0]["args"][0] = [tensor("conv1_relu"), tensor("conv1_relu")]
    model["config"]["layers"][2]["config"]["renorm"] = True
    assert refused(model) == [
        "layer 'block_1_expand' is shared: it is called 2 times",
        "layer 'block_1_project' takes the output of a second call, or a second output, of a layer",
        "layer 'conv1_bn' has true as its renorm, where only false can be used",
    ]


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [
        ({"training": True}, "layer 'conv1_bn' is called with training=true"),
        ({"mask": tensor("image")}, "layer 'conv1_bn' is called with mask=keys and values"),
        ({"training": False, "mask": None}, ""),
    ],
)
def test_arguments_by_keyword_are_refused_where_they_change_the_output(kwargs, told):
    model = small()
    model["config"]["layers"][2]["inbound_nodes"][0]["kwargs"] = kwargs
    if told:
        assert refused(model) == [told]
    else:
        assert read_network(model) == read_network(small())


def test_all_problems_are_told_at_once_and_many_of_them_are_counted():
    layers, before = [image()], "image"
    for i in range(30):
        layers.append(convolution(f"conv_{i}", [before], filters=0))
        before = f"conv_{i}"
    lines = refused(functional(*layers))
    assert len(lines) == 21
    assert lines[0] == "layer 'conv_0' has a number outside 1 to 65536 as its filters"
    assert lines[20] == "10 more lines like these"


def test_deep_nesting_is_refused_without_a_traceback():
    model = sequential(convolution("conv", []), name="model_0")
    for i in range(1, 300):
        model = sequential(model, name=f"model_{i}")
    (line,) = refused(model)
    assert line == "layer 'model_290' holds models within models, more than 8 deep"
    setting: object = 3
    for _ in range(100_000):
        setting = [setting]
    (line,) = refused(swapped("conv1_conv", kernel_size=setting))
    assert line == "layer 'conv1_conv' has 1 numbers as its kernel_size, not 2"


def test_two_layers_of_one_name_in_two_models_are_refused():
    inner = [functional(image(f"i{n}"), convolution("conv", [f"i{n}"]), name=f"base_{n}") for n in range(2)]
    assert refused(sequential(image(), *inner)) == ["two layers are named 'conv'"]


def places(value, path=()):
    """Yield the path of every value in a configuration."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


PLACES = list(places(small()))[1:]
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.just(10**400), st.floats(), st.text(max_size=3),
    st.sampled_from([[], {}, [[]], [None], [[[3]]], {"class_name": "__keras_tensor__"}, "image", "relu", IMAGE]),
)  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ODD), min_size=1, max_size=3))
def test_a_damaged_configuration_gives_a_network_or_lines(changes):
    model = small()
    for path, value in changes:
        inner = model
        for key in path[:-1]:
            inner = inner[key] if isinstance(inner, (dict, list)) and _has(inner, key) else None
        if isinstance(inner, (dict, list)) and _has(inner, path[-1]):
            inner[path[-1]] = copy.deepcopy(value)
    lines = []
    try:
        network = read_network(model)
    except CheckpointError as error:
        lines = str(error).splitlines()
    assert lines or network.units
    assert all(0 < len(line) < 400 for line in lines)


def _has(inner, key):
    return key in inner if isinstance(inner, dict) else isinstance(key, int) and key < len(inner)
