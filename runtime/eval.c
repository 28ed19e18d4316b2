/* Loss and metrics of trained weights over a block's data. */
#include "runtime/batch.h"
#include "runtime/progress.h"
#include "runtime/select.h"

static void say_scores(const nnr_eval_options *o, const nnr_scores *s)
{
    char line[4096] = "";
    if (o->json) {
        nnr_append(line, sizeof line, "{");
        nnr_json_scores(line, sizeof line, s, true);
        nnr_append(line, sizeof line, ", \"samples\": %lld}", (long long)s->samples);
    } else {
        nnr_append(line, sizeof line, "loss %.6g", s->loss);
        for (int i = 0; i < s->n_metrics; i++)
            nnr_append(line, sizeof line, "  %s %.6g", s->metrics[i].name, s->metrics[i].value);
        nnr_append(line, sizeof line, "  (%lld samples)", (long long)s->samples);
    }
    if (o->say) o->say(o->user, NNR_SAY_RESULT, line);
}

static bool evaluate(const nnr_program *program, const nnr_train *train, nnr_model *model,
                     const nnr_eval_options *o, const nnr_selection *data, nnr_scores *out, nnr_error *err)
{
    nnr_batcher b;
    nnr_totals totals;
    int64_t left;
    bool on_valid = data->n_valid > 0 && !o->training_data;
    const nnr_samples *samples = on_valid ? nnr_selection_valid(data) : &data->training;
    if (!nnr_batcher_open(&b, program, train, samples, err)) return false;
    bool ok = nnr_evaluate(&b, model, on_valid ? data->valid : data->train,
                           on_valid ? data->n_valid : data->n_train, o->seed, &totals, &left, err);
    nnr_batcher_close(&b);
    if (!ok) return false;
    if (left > 0)
        nnr_tell(o->say, o->user, NNR_SAY_WARNING, "%lld samples that fill no batch are left out",
                 (long long)left);
    *out = nnr_totals_scores(&totals, program, train, 1);
    say_scores(o, out);
    return true;
}

static bool evaluate_model(const nnr_program *program, const nnr_train *train, nnr_model *model,
                           const nnr_eval_options *o, nnr_scores *out, nnr_error *err)
{
    nnr_selection data;
    if (nnr_model_init(model, o->seed, err) != NNR_OK) return false;
    if (nnr_weights_load(model, o->weights, true, o->say, o->user, err) != NNR_OK) return false;
    if (!nnr_selection_open(&data, train, o->data_dir, o->seed, o->training_data, err)) return false;
    bool ok = evaluate(program, train, model, o, &data, out, err);
    nnr_selection_close(&data);
    return ok;
}

nnr_status nnr_run_eval(const nnr_program *program, const nnr_eval_options *o, nnr_scores *out,
                        nnr_error *err)
{
    nnr_model model;
    const nnr_train *train = nnr_train_find(program, o->train, err);
    if (!train) return NNR_FAILED;
    if (!train->eval) {
        nnr_fail(err, "%s: error: block %s has nothing to evaluate", program->name, train->name);
        nnr_note(err, "give the block a loss or a metric");
        return NNR_FAILED;
    }
    if (!o->weights) {
        nnr_fail(err, "%s: error: no weights to evaluate", program->name);
        nnr_note(err, "give a weights file with --weights");
        return NNR_FAILED;
    }
    nnr_set_threads(o->threads);
    if (nnr_model_create(program, &model, err) != NNR_OK) return NNR_FAILED;
    bool ok = evaluate_model(program, train, &model, o, out, err);
    nnr_model_destroy(&model);
    return ok ? NNR_OK : NNR_FAILED;
}
